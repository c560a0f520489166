"""Arrays in files, read and written in parts: ``.npy``, ``.zarr`` and ``.tif``, by kind of file.

`kinds` tells arrays from pictures, `sources` opens, `layout` convolves what was opened, `targets` stores the result. Pictures
(.png, .jpg, TIFF of 8 bits) are `faltung.photo`'s. Dask, zarr and tifffile are imported at call time.
"""
