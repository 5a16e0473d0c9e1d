"""Proper names and calendar expressions.

`*`: held out of train. Names are common given names and well-known places and organisations;
what the sentences say about them is made up.
"""
# ruff: noqa: E501 -- a table row is one line, however long

#: name gender group | zho | fin genitive. The other languages inflect by their last sound.
GIVEN = """
Maria f es | 玛丽亚 | Marian
Ana f es | 安娜 | Anan
Elena f es | 埃琳娜 | Elenan
*Lucía f es | 露西亚 | Lucían
Pedro m es | 佩德罗 | Pedron
Carlos m es | 卡洛斯 | Carlosin
Emma f en | 艾玛 | Emman
Laura f en | 劳拉 | Lauran
*Nora f en | 诺拉 | Noran
Tom m en | 汤姆 | Tomin
David m en | 大卫 | Davidin
Siti f id | 西蒂 | Sitin
Dewi f id | 黛薇 | Dewin
Budi m id | 布迪 | Budin
*Joko m id | 佐科 | Jokon
Agus m id | 阿古斯 | Agusin
Ayşe f tr | 艾谢 | Ayşen
Ali m tr | 阿里 | Alin
Mehmet m tr | 梅赫迈特 | Mehmetin
*Hasan m tr | 哈桑 | Hasanin
Miren f eu | 米伦 | Mirenin
Ane f eu | 阿内 | Anen
Mikel m eu | 米克尔 | Mikelin
*Jon m eu | 乔恩 | Jonin
Liisa f fi | 莉萨 | Liisan
Aino f fi | 艾诺 | Ainon
Matti m fi | 马蒂 | Matin
*Pekka m fi | 佩卡 | Pekan
"""

#: family name, group | zho | fin genitive, partitive
FAMILY = """
García es | 加西亚 | Garcían Garcíaa
*López es | 洛佩斯 | Lópezin Lópezia
Smith en | 史密斯 | Smithin Smithiä
*Miller en | 米勒 | Millerin Milleriä
Susanto id | 苏桑托 | Susanton Susantoa
*Wijaya id | 维查亚 | Wijayan Wijayaa
Demir tr | 德米尔 | Demirin Demiriä
*Yılmaz tr | 伊尔马兹 | Yılmazin Yılmazia
Agirre eu | 阿吉雷 | Agirren Agirrea
*Garmendia eu | 加门迪亚 | Garmendian Garmendiaa
Virtanen fi | 维尔塔宁 | Virtasen Virtasta
*Laine fi | 莱内 | Laineen Lainetta
"""

#: place | eng | spa | eus | ind | jav | tur | zho | fin nominative, genitive, in, to, from
PLACES = """
jakarta | Jakarta | Yakarta | Jakarta | Jakarta | Jakarta | Cakarta | 雅加达 | Jakarta Jakartan Jakartassa Jakartaan Jakartasta
*surabaya | Surabaya | Surabaya | Surabaya | Surabaya | Surabaya | Surabaya | 泗水 | Surabaya Surabayan Surabayassa Surabayaan Surabayasta
yogyakarta | Yogyakarta | Yogyakarta | Yogyakarta | Yogyakarta | Yogyakarta | Yogyakarta | 日惹 | Yogyakarta Yogyakartan Yogyakartassa Yogyakartaan Yogyakartasta
bilbao | Bilbao | Bilbao | Bilbo | Bilbao | Bilbao | Bilbao | 毕尔巴鄂 | Bilbao Bilbaon Bilbaossa Bilbaoon Bilbaosta
madrid | Madrid | Madrid | Madril | Madrid | Madrid | Madrid | 马德里 | Madrid Madridin Madridissa Madridiin Madridista
paris | Paris | París | Paris | Paris | Paris | Paris | 巴黎 | Pariisi Pariisin Pariisissa Pariisiin Pariisista
london | London | Londres | Londres | London | London | Londra | 伦敦 | Lontoo Lontoon Lontoossa Lontooseen Lontoosta
istanbul | Istanbul | Estambul | Istanbul | Istanbul | Istanbul | İstanbul | 伊斯坦布尔 | Istanbul Istanbulin Istanbulissa Istanbuliin Istanbulista
ankara | Ankara | Ankara | Ankara | Ankara | Ankara | Ankara | 安卡拉 | Ankara Ankaran Ankarassa Ankaraan Ankarasta
helsinki | Helsinki | Helsinki | Helsinki | Helsinki | Helsinki | Helsinki | 赫尔辛基 | Helsinki Helsingin Helsingissä Helsinkiin Helsingistä
beijing | Beijing | Pekín | Pekin | Beijing | Beijing | Pekin | 北京 | Peking Pekingin Pekingissä Pekingiin Pekingistä
rome | Rome | Roma | Erroma | Roma | Roma | Roma | 罗马 | Rooma Rooman Roomassa Roomaan Roomasta
*berlin | Berlin | Berlín | Berlin | Berlin | Berlin | Berlin | 柏林 | Berliini Berliinin Berliinissä Berliiniin Berliinistä
tokyo | Tokyo | Tokio | Tokio | Tokyo | Tokyo | Tokyo | 东京 | Tokio Tokion Tokiossa Tokioon Tokiosta
*lima | Lima | Lima | Lima | Lima | Lima | Lima | 利马 | Lima Liman Limassa Limaan Limasta
oslo | Oslo | Oslo | Oslo | Oslo | Oslo | Oslo | 奥斯陆 | Oslo Oslon Oslossa Osloon Oslosta
spain | Spain | España | Espainia | Spanyol | Spanyol | İspanya | 西班牙 | Espanja Espanjan Espanjassa Espanjaan Espanjasta
turkey | Turkey | Turquía | Turkia | Turki | Turki | Türkiye | 土耳其 | Turkki Turkin Turkissa Turkkiin Turkista
indonesia | Indonesia | Indonesia | Indonesia | Indonesia | Indonesia | Endonezya | 印度尼西亚 | Indonesia Indonesian Indonesiassa Indonesiaan Indonesiasta
china | China | China | Txina | Tiongkok | Cina | Çin | 中国 | Kiina Kiinan Kiinassa Kiinaan Kiinasta
finland | Finland | Finlandia | Finlandia | Finlandia | Finlandia | Finlandiya | 芬兰 | Suomi Suomen Suomessa Suomeen Suomesta
japan | Japan | Japón | Japonia | Jepang | Jepang | Japonya | 日本 | Japani Japanin Japanissa Japaniin Japanista
*france | France | Francia | Frantzia | Prancis | Prancis | Fransa | 法国 | Ranska Ranskan Ranskassa Ranskaan Ranskasta
*mexico | Mexico | México | Mexiko | Meksiko | Meksiko | Meksika | 墨西哥 | Meksiko Meksikon Meksikossa Meksikoon Meksikosta
"""

#: Cities with a `University of X` in the sample -> the Basque form of the city inside the name.
UNIVERSITIES = {
    "helsinki": "Helsinkiko",
    "jakarta": "Jakartako",
    "ankara": "Ankarako",
    "tokyo": "Tokioko",
    "oslo": "Osloko",
    "rome": "Erromako",
    "*lima": "Limako",
}

#: organisation | zho | fin genitive, partitive
ORGS = """
Nokia | 诺基亚 | Nokian Nokiaa
Toyota | 丰田 | Toyotan Toyotaa
Samsung | 三星 | Samsungin Samsungia
Honda | 本田 | Hondan Hondaa
Siemens | 西门子 | Siemensin Siemensiä
Fiat | 菲亚特 | Fiatin Fiatia
Unicef | 联合国儿童基金会 | Unicefin Unicefiä
*Sony | 索尼 | Sonyn Sonya
*Airbus | 空客 | Airbusin Airbusia
"""

#: Years: number -> Basque inessive, Turkish locative ending. Both follow how the number is read.
YEARS = {
    "1990": ("1990ean", "da"),
    "1995": ("1995ean", "te"),
    "1998": ("1998an", "de"),
    "2003": ("2003an", "te"),
    "2004": ("2004an", "te"),
    "2006": ("2006an", "da"),
    "2007": ("2007an", "de"),
    "2009": ("2009an", "da"),
    "2012": ("2012an", "de"),
    "2015": ("2015ean", "te"),
    "*2018": ("2018an", "de"),
    "*2020": ("2020an", "de"),
}

#: month number -> eng | spa | eus | ind | jav | tur + locative | fin
MONTHS = {
    "3": "March | marzo | martxo | Maret | Maret | Mart ta | maaliskuu",
    "5": "May | mayo | maiatz | Mei | Mei | Mayıs ta | toukokuu",
    "6": "June | junio | ekain | Juni | Juni | Haziran da | kesäkuu",
    "8": "August | agosto | abuztu | Agustus | Agustus | Ağustos ta | elokuu",
    "9": "September | septiembre | irail | September | September | Eylül de | syyskuu",
    "*11": "November | noviembre | azaro | November | November | Kasım da | marraskuu",
}

#: Days of the month -> Basque inessive
DAYS = {
    "2": "2an",
    "3": "3an",
    "4": "4an",
    "5": "5ean",
    "8": "8an",
    "10": "10ean",
    "12": "12an",
    "17": "17an",
    "20": "20an",
    "25": "25ean",
}

#: weekday -> eng | spa | eus | ind | jav | tur | zho | fin
WEEKDAYS = {
    "mon": "Monday | lunes | astelehenean | Senin | Senen | pazartesi | 星期一 | maanantaina",
    "tue": "Tuesday | martes | asteartean | Selasa | Selasa | salı | 星期二 | tiistaina",
    "thu": "Thursday | jueves | ostegunean | Kamis | Kemis | perşembe | 星期四 | torstaina",
    "fri": "Friday | viernes | ostiralean | Jumat | Jemuwah | cuma | 星期五 | perjantaina",
    "*sat": "Saturday | sábado | larunbatean | Sabtu | Setu | cumartesi | 星期六 | lauantaina",
    "sun": "Sunday | domingo | igandean | Minggu | Minggu | pazar | 星期日 | sunnuntaina",
}
WEEKDAY_LEMMAS = {
    "eus": {
        "mon": "astelehen",
        "tue": "astearte",
        "thu": "ostegun",
        "fri": "ostiral",
        "sat": "larunbat",
        "sun": "igande",
    },
    "fin": {
        "mon": "maanantai",
        "tue": "tiistai",
        "thu": "torstai",
        "fri": "perjantai",
        "sat": "lauantai",
        "sun": "sunnuntai",
    },
}
