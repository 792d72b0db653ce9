"""Pure statistics on arrays: intervals over subjects, tests of differences, order statistics. No medbench inside."""
