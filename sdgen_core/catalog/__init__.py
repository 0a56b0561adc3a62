"""The catalog: every session and image findable, judged and counted.

``user.db`` is the truth about people's judgements, ``index.db`` what the session folders say: it can be
deleted at any time. ``scores.db`` has what machines think of the images.
"""
