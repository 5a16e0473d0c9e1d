"""Citations, by card; a card that is not here cites its repository."""

CITATIONS = {
    "masakhaner2": "Adelani et al. 2022. MasakhaNER 2.0: Africa-centric Transfer Learning for "
    "Named Entity Recognition. EMNLP 2022.",
    "europarl-ner": "Agerri et al. 2018. Building Named Entity Recognition Taggers via Parallel "
    "Corpora. LREC 2018.",
    "basqueglue-nerc": "Urbizu et al. 2022. BasqueGLUE: A Natural Language Understanding "
    "Benchmark for Basque. LREC 2022.",
    "wikiann": "Pan et al. 2017. Cross-lingual Name Tagging and Linking for 282 Languages. ACL "
    "2017; split of Rahimi et al. 2019. Massively Multilingual Transfer for NER. ACL 2019.",
    "germeval2014": "Benikova et al. 2014. NoSta-D Named Entity Annotation for German: Guidelines "
    "and Dataset. LREC 2014.",
    "meantime": "Minard et al. 2016. MEANTIME, the NewsReader Multilingual Event and Time Corpus. "
    "LREC 2016.",
    "smartdata": "Schiersch et al. 2018. A German Corpus for Fine-Grained Named Entity "
    "Recognition and Relation Extraction of Traffic and Industry Events. LREC 2018.",
    "universal-propbank-1": "Akbik et al. 2015. Generating High Quality Proposition Banks for "
    "Multilingual Semantic Role Labeling. ACL 2015.",
    "universal-propbank-2": "Jindal et al. 2022. Universal Proposition Bank 2.0. LREC 2022.",
    "xnli": "Conneau et al. 2018. XNLI: Evaluating Cross-lingual Sentence Representations. EMNLP "
    "2018.",
    "esxnli": "Artetxe et al. 2020. Translation Artifacts in Cross-lingual Transfer Learning. "
    "EMNLP 2020.",
    "americasnli": "Ebrahimi et al. 2022. AmericasNLI: Evaluating Zero-shot Natural Language "
    "Understanding of Pretrained Multilingual Models in Truly Low-resource Languages. ACL 2022.",
    "indonli": "Mahendra et al. 2021. IndoNLI: A Natural Language Inference Dataset for "
    "Indonesian. EMNLP 2021.",
    "ocnli": "Hu et al. 2020. OCNLI: Original Chinese Natural Language Inference. Findings of "
    "EMNLP 2020.",
    "chinese-nli-probing": "Hu et al. 2021. Investigating Transfer Learning in Multilingual "
    "Pre-trained Language Models through Chinese Natural Language Inference. Findings of ACL 2021.",
    "xquad": "Artetxe et al. 2020. On the Cross-lingual Transferability of Monolingual "
    "Representations. ACL 2020.",
    "squad": "Rajpurkar et al. 2016. SQuAD: 100,000+ Questions for Machine Comprehension of Text. "
    "EMNLP 2016.",
    "tydiqa-id": "Clark et al. 2020. TyDi QA: A Benchmark for Information-Seeking Question "
    "Answering in Typologically Diverse Languages. TACL 8.",
    "cmrc2018": "Cui et al. 2019. A Span-Extraction Dataset for Chinese Machine Reading "
    "Comprehension. EMNLP 2019.",
    "jsquad": "Kurihara et al. 2022. JGLUE: Japanese General Language Understanding Evaluation. "
    "LREC 2022.",
    "afriqa": "Ogundepo et al. 2023. AfriQA: Cross-lingual Open-Retrieval Question Answering for "
    "African Languages. Findings of EMNLP 2023.",
    "ntrex": "Federmann et al. 2022. NTREX-128: News Test References for MT Evaluation of 128 "
    "Languages. SUMEval 2022.",
    "lafand": "Adelani et al. 2022. A Few Thousand Translations Go a Long Way! Leveraging "
    "Pre-trained Models for African News Translation. NAACL 2022.",
    "americasnlp2021": "Mager et al. 2021. Findings of the AmericasNLP 2021 Shared Task on Open "
    "Machine Translation for Indigenous Languages of the Americas. AmericasNLP 2021.",
    "nusax-mt": "Winata et al. 2023. NusaX: Multilingual Parallel Sentiment Dataset for 10 "
    "Indonesian Local Languages. EACL 2023.",
    "propbank-ewt": "Palmer et al. 2005. The Proposition Bank: An Annotated Corpus of Semantic "
    "Roles. Computational Linguistics 31(1).",
    "multinli-mt": "Williams et al. 2018. A Broad-Coverage Challenge Corpus for Sentence "
    "Understanding through Inference. NAACL 2018; translations: "
    "https://github.com/salesforce/xnli_extension",
}

UNER = (
    "Mayhew et al. 2024. Universal NER: A Gold-Standard Multilingual Named Entity Recognition "
    "Benchmark. NAACL 2024."
)
