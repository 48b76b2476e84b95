"""whysaid: train vision-language models, show why they said each word, make them hallucinate less."""
