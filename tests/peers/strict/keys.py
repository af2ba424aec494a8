"""Authorization keys, their salts, and what is known of them."""

import os
import time

from . import crypto

# A salt is good for half an hour as the current one, and for another as the one before.
SALT_LIFE = 1800


class AuthKey:
    def __init__(self, data, now, salt, expires_at=None):
        self.data = data
        self.id = crypto.auth_key_id(data)
        self.expires_at = expires_at
        # The permanent key that a temporary one is bound to.
        self.perm = None
        self.sessions = {}
        # Pings and questions of ours; a client may answer them in its next session.
        self.pings = {}
        self.questions = {}
        # What was ever given out: a client that uses anything else has made it up.
        self.given = {salt, 0}
        self.salts = []
        self.schedule(now, salt)

    @property
    def is_temporary(self):
        return self.expires_at is not None

    def is_expired(self, now):
        return self.is_temporary and now >= self.expires_at

    def schedule(self, now, salt):
        """Salts from now on, of which only the first is known to a client."""
        self.salts = [(int(now), int(now) + 2 * SALT_LIFE, salt)]
        self.extend(now)

    def extend(self, now):
        self.salts = [salt for salt in self.salts if salt[1] > now]
        if not any(since <= now for since, _, _ in self.salts):
            # All have ended, or the clock was put back.
            self.salts = [self.new_salt(int(now))]
        while len(self.salts) < 64:
            self.salts.append(self.new_salt(self.salts[-1][0] + SALT_LIFE))

    def new_salt(self, since):
        return since, since + 2 * SALT_LIFE, crypto.signed(os.urandom(8))

    def salt(self, now):
        """The current one: the newest that has begun."""
        self.extend(now)
        current = [salt for salt in self.salts if salt[0] <= now][-1][2]
        self.given.add(current)
        return current

    def future_salts(self, now, count):
        self.extend(now)
        salts = self.salts[:count]
        self.given.update(salt for _, _, salt in salts)
        return salts

    def is_salt(self, now, salt):
        return any(since <= now < until and salt == known for since, until, known in self.salts)

    def rotate(self, now):
        """All salts are worth nothing from now on."""
        self.schedule(now, crypto.signed(os.urandom(8)))


class Clock:
    """The server's time, which need not be this machine's."""

    def __init__(self):
        self.skew = 0

    def now(self):
        return time.time() + self.skew
