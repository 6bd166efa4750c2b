"""Hand → Fingers → Pose: what each hand shows, if anything."""
