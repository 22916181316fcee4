"""``edge-segnet labels``: look at label images, find their faults, change their form.

masks.py     one label image as it is stored: ids, palette or colours
survey.py    what one pair of files holds, as numbers; many at once
sheet.py     the contact sheet that shows 'black' label images
lint.py      findings over a whole data set
checks.py    one function per fault
shift.py     are the ids off by one? against CamVid's shares and positions
leaks.py     the same, or nearly the same, picture in two parts
recode.py    ids <-> palette <-> colours <-> another class map
"""
