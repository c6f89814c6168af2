"""A data set in the box: parametric hands, poses, cameras, renderer and an InterHand2.6M-format writer."""
