"""ROS 2 messages: made once, for a node (``sinks/ros2``) and for files (``sinks/recording``). Needs no ROS."""
