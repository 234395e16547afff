"""What is the machine under test, and what can be measured on it?"""
