"""The audit: one record an access, allowed or not, to every sink.

records (what a line holds) ► trail (all sinks) ► feed (what one sink is still to take) ► sinks
"""
