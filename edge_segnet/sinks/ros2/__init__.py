"""Results as ROS 2 topics."""
