"""Does the image show the value? How sure a model is of every placeholder value of every image.

Similarities come from a model that was never told what people think; ``calibration`` turns them into probabilities, with people's
verdicts where there are some, and without where there are none.
"""

#: In the folder of scores: which sessions wait to be scored.
QUEUE = "queue.json"
