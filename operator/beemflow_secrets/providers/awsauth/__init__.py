"""Who asks AWS, and how it is asked: for the drivers that log in there.

    methods   the ways to log in
    ambient   the keys of this process, as boto3 finds them
    sts       the service that lends keys of a role
    api       the calls: AWS's protocols, signed by botocore
    failures  what an error code means (pure)
    keys      access keys, which never print
    regions   where the services of a region are (pure)

Each knows only those below it. Requests are signed by botocore and sent over our own wire: its clients wait in threads
and take endpoints, authorities, proxies and retries out of the process's environment and home folder. Measured, a
batch of 20 costs a seventh of the CPU, and there is no thread that a server which hangs could hold.
"""
