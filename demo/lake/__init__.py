"""A lake in October: picture and sound of the sample clip, all computed from one seed.

clip, fields, noise, sun             what everything uses: sizes, arithmetic, randomness, light
heights, land, air, waves, trees     what is there
moving                               what passes through: a boat and gulls
camera, backdrop, surface, scene     from where, and one picture of it
film, sound, file                    from light to pixels, what is heard, and both in one file
"""
