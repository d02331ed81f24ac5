"""Python runs this at the start of the measured operator: it takes away what the runtime image will not have.

Kopf imports `kubernetes` where it finds it, which costs 13 MiB and a fifth of a second.
"""

import sys

sys.modules["kubernetes"] = None  # type: ignore[assignment]  # makes `import kubernetes` a ModuleNotFoundError
