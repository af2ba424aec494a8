"""A server of the protocol, written from its specification to judge a client and to attack it."""
