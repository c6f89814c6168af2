"""The product: detect, group, lift and follow the hands of images, videos and cameras."""
