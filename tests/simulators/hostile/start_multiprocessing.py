"""Starts workers."""

# lint: `multiprocessing`
# jail: PermissionError|Operation not permitted
import multiprocessing

worker = multiprocessing.get_context("fork").Process(target=print)
worker.start()
worker.join()
