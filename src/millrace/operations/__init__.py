"""The verbs that people call, implemented once over the stores: trigger, list, cancel, plan, replay, lineage ...

The command line and ``.run()`` call them in process, the server's routes call them for everybody else.
"""
