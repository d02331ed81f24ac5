"""What stands before a driver: layers, each a provider around a provider.

access ► policy ► keys ► loader ► call ► driver
"""
