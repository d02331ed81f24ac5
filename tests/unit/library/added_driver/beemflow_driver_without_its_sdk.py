import an_sdk_that_is_not_installed  # type: ignore[import-not-found]  # noqa: F401 - the point of this module
