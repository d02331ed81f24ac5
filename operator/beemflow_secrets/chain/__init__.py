"""What stands before a driver: layers, each a provider around a provider.

access ► policy ► cache ► keys ► loader ► call ► driver
"""
