"""Every metric against graded, known damage: does it see what is wrong, and from which strength on?"""
