//! The Connect REST API over the control seam.
