"""Telling other programs what a sweep does: TensorBoard, MLflow, W&B, a webhook, a command, and plug-ins of others."""
