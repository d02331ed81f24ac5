"""What stands before a driver: layers, each a provider around a provider.

access ► policy ► keys ► loader ► call ► driver

Of a chain of backends: access ► policy ► keys ► multi ► for each link: keys ► loader ► breaker ► call ► driver
"""
