"""OAuth 2 over the HTTP floor: how tokens are asked for, renewed once for all, and kept.

Begin with :mod:`.grants`; :mod:`.tokens` holds a credential's tokens, :mod:`.store` keeps those
that a provider renews only once.
"""
