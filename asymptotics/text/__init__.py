"""How is a result told in text: tables, numbers, durations?"""
