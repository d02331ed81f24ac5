"""From Go's text/template, with the functions of External Secrets Operator, to this operator's templates: pure.

What is turned prints the same; what may print otherwise is told; what cannot be turned is an error. Nothing is guessed.
"""
