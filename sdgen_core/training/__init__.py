"""From judged images to LoRAs that repair what failed: data sets, supervised training runs, benchmarks, and tools for LoRAs."""
