"""Can the source of a case be told without looking at its anatomy?"""
