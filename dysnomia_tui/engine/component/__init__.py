"""One component at work: activities, journal, restore, guard, recovery."""
