"""What reads secrets: the contract of a provider, its errors, and one module or package a driver."""
