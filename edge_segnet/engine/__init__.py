"""TensorRT engines: built from a model with all that the loop needs beside them, verified before they are loaded.

NAME.engine           TensorRT's plan. It is native code: who can write it can run anything as the service's user.
NAME.sm_87.cubin      the decode kernel, one per architecture
NAME.golden.png       the CPU's float32 labels of a stored frame, for the self-test
NAME.json             the manifest: hashes of all of these, what they were made from and for
"""
