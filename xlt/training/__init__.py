"""TransferTrainer: a transformers.Trainer that trains one stage."""
