"""Python runs this at the start of the measured operator: it takes away what the runtime image does not have.

requests loads `chardet` where it finds it, 2 MiB, and what makes a release's bill of materials brings it along.
"""

import sys

sys.modules["chardet"] = None  # type: ignore[assignment]  # makes `import chardet` a ModuleNotFoundError
