"""What a client did against the specification: kept, and told on stderr as one line of JSON each."""

import json
import sys

# A client in a loop would fill the memory and the log.
MAX_KEPT = 1000


class Violations:
    def __init__(self):
        self.kept = []
        self.count = 0
        # Rules that the client is made to break by what the server does to it just now.
        self.excused = set()

    def report(self, rule, detail, **where):
        if rule in self.excused:
            return
        self.count += 1
        if len(self.kept) < MAX_KEPT:
            line = {"violation": rule, "detail": detail, **where}
            self.kept.append(line)
            print(json.dumps(line), file=sys.stderr, flush=True)
