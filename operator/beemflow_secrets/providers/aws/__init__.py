"""AWS Secrets Manager.

    driver    the operations
    reading   values: in batches where that is allowed, else one by one
    writing   what a write or a deletion takes
    expiries  when secrets expire, by their tags
    client    what is asked with the login, and what follows when it is refused
    answers   reading what the service answers (pure)

Each knows only those below it; the login and the calls are `awsauth`'s.
"""

from beemflow_secrets.providers.aws.driver import AwsDriver

__all__ = ["AwsDriver"]
