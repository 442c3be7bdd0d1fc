"""Uploads and downloads by signed links: an application of its own, since bytes have other needs than questions."""
