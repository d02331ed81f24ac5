"""What stands before a driver: layers, each a provider around a provider.

access ► keys ► loader ► call ► driver
"""
