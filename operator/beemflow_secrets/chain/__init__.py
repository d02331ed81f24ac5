"""What stands before a driver: layers, each a provider around a provider.

access ► policy ► cache ► keys ► loader ► call ► driver

Of a chain of backends: access ► policy ► cache ► keys ► multi ► for each link: keys ► loader ► breaker ► call ► driver
"""
