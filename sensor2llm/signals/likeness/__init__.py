"""What training windows look like in numbers, and whether others do; numpy only."""
