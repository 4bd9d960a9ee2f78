"""Writes its own answer, and ends before the real one is written."""

# lint: `os`
# jail: does not fit|scene
import json
import os

scene = {"schema": "PhysicsScene.1", "cameras": [], "bodies": [{"shape": "/etc/passwd"}]}
with open("result.json", "w") as held:
    json.dump({"schema": "BlenderResult.1", "answer": {"scene": scene}}, held)
os._exit(0)
