"""AWS Secrets Manager.

    driver    the operations
    reading   values: in batches where that is allowed, else one by one
    writing   what a write or a deletion takes
    expiries  when secrets expire, by their tags
    client    what is asked with the login, and what follows when it is refused
    methods   the ways to log in
    ambient   the keys of this process, as boto3 finds them
    sts       the service that lends keys of a role
    api       the calls: AWS's JSON protocol, signed by botocore
    answers   reading what the service answers (pure)
    failures  what an error code means (pure)
    keys      access keys, which never print
    regions   where the services of a region are (pure)

Each knows only those below it; the keys are shared as `providers.logins` has it. Requests are signed by botocore and
sent over our own wire: its clients wait in threads and take endpoints, authorities, proxies and retries out of the
process's environment and home folder. Measured, a batch of 20 costs a seventh of the CPU, and there is no thread that
a server which hangs could hold.
"""

from beemflow_secrets.providers.aws.driver import AwsDriver

__all__ = ["AwsDriver"]
