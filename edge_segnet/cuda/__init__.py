"""CUDA: who is there (``probe``), what the loop asks of it (``interface``), pycuda behind that (``driver``), and the
one kernel of our own (``decode.cu``, made into cubins by ``compile``).
"""
