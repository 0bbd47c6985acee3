"""Chess: encoding, engine, self-play, mining, the ladder. Knows no study."""
