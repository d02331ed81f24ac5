"""BeemFlowPushSecret: a native Secret, written to stores."""
