"""PSNR and SSIM by a named protocol."""
