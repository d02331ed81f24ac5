"""From what a backend holds to what a Secret holds, and what flows ask for. Nothing here reads or writes.

Functions are pure; only `template.aside` waits, for a process in which a costly template is rendered.
"""
