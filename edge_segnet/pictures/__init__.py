"""The room of cv2: pictures and videos read, shaped, drawn, written."""
