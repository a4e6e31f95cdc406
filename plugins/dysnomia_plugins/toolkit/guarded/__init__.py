"""Work below folders that are not root's: the one place where files are opened, made, given away and renamed there.

Whoever owns a folder may replace anything in it at any moment: a file by a link, a folder by another one. So nothing
below such a folder is done by path. ``way`` says which links may be followed at all; ``folder`` opens every folder on
the way by descriptor and works in the last one; ``system`` holds the calls. What a job makes stays root's and closed
to all others until it is whole, and is handed over by descriptor as the last thing.
"""
